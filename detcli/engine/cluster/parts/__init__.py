"""The parts of a run on a cluster, in a folder or in an object store.

part_files    one part: written and read
part_folder   all parts of a run: resumed, checked, removed
part_storage  where they are: a shared disk, or an object store
kept_parts    the files of results where the parts of a run are kept
merge_parts   parts in the order of one process
"""
