"""Images: checked, stored as blobs, and put into requests to a model."""
