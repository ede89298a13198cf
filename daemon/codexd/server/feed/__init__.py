"""What those who attach to a thread are told, at their own speed."""
