"""Runs without a terminal: from a request to sources, detector, sinks and statistics.

requests/     what a run is asked for, as checked records
run           the run, of images and of videos
observer      what it reports while it runs
prepare       what comes before both: outputs decided, sources open
inputs/       sources opened and listed, and the dry run: what would be done
outputs/      where results go, and the sinks that are opened for it
results/      stored results: converted, merged, filtered, drawn
video/        tracks, live policy
cluster/      runs of many images or videos on a cluster of machines
load_model    the detector of a request
"""
