"""The index: what lists and searches are answered from. Disposable; the logs alone are truth."""
