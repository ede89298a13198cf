"""`python -m codexd.models.scripted`: a model that answers by a script."""

from __future__ import annotations

from codexd.models.scripted.server import main

if __name__ == "__main__":
    main()
