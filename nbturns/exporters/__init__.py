"""Writers of files, chosen by the suffix of a path or by the name of a format."""
