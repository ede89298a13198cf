"""Files and folders: the layout of a store's folder, and all calls to the file system."""
