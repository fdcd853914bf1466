"""What tests share: samples, local servers, runs of the command line."""
