"""What `reeltrace verify` recomputes, each check beside those of its kind. This room reads artifacts and makes none."""
