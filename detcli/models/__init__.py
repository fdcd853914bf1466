"""The networks: pure torch, no file and no screen.

The key of dimension letters, used in every shape comment below this folder:

    B  images of a batch          S  positions of all levels, one after the other
    C  channels                     Q  queries
    H  W  height and width          D  width of a token
    L  levels of a feature pyramid  M  attention heads
    P  sampling points of a head    K  classes
    N  true boxes of an image      R  bins of a distribution over offsets
"""
