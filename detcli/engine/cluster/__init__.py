"""A run on a cluster: Ray's workers take chunks of the input, and each chunk becomes a part file.

cluster_checks  what cannot run on a cluster, and where parts go
ray_session     Ray, started on this machine or joined, and its resources
session_signals  what signals do meanwhile
ray_workers     the workers as Ray's actors: chunks sent, results and deaths received
chunk_worker    what runs in a worker: detector, pipeline, part file
worker_outputs  what a worker writes of a chunk
worker_processors  which processors of its machine it uses
worker_job      what is sent to workers, and what they report
chunks          the input in chunks, while it is listed
parts/          the parts of a run: written, read, kept, merged
dispatcher      which worker gets which chunk; retries, and chunks that end their worker
cluster_run     all of it
"""
