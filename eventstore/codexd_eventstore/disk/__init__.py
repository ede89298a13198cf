"""Files and folders: where each thing lies, and every call to the file system."""
