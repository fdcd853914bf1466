"""Object stores through fsspec: `s3://`, `gs://`, `az://`, `abfs://`, `hf://`, `memory://`.

addresses.is_remote(name)            whether a name is such an address
addresses.without_credentials(url)   the address as it is shown
listing.list_objects(url)            objects below a prefix, page by page
read_objects.read_object(url)        all bytes of an object
read_objects.open_object(url)        an object as a binary file that can be positioned
ahead_reader.AheadReader(url)        the same for a video, which is read ahead
write_objects.write_object(url)      a complete object, or nothing
write_objects.ObjectFile(url)        an output file that appears when it is committed
"""
