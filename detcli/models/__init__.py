"""The networks: PyTorch only, no file access and no output.

Dimension letters in the shape comments of this package:

    B  images of a batch          S  tokens of all levels, concatenated
    C  channels                     Q  queries
    H  W  height and width          D  width of a token
    L  levels of a feature pyramid  M  attention heads
    P  sampling points of a head    K  classes
    N  ground-truth boxes of an image   R  bins of a distribution over edge offsets
    A  decoder layers               h  w  height and width of a mask
"""
