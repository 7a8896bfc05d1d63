"""The networks, each written once; those with a symmetry group are parametrised by it.

This room imports nothing of ours but itself and the common ground (errors, artifacts): a network knows no data
set and no protocol. Which architectures there are, and which function here builds each, is declared in `kinds`.
"""
