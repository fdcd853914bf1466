"""Model files on disk and on the Hub: catalog, download, cache, reading and writing. Independent of networks."""
