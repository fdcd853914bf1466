"""Writers of datasets in the formats of labeling tools and training programs."""
