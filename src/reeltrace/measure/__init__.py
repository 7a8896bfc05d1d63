"""What can be measured on a network without training it. This room builds networks and reads no results."""
