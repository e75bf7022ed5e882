"""The page that a server shows: plain HTML, CSS and JavaScript modules, without a build step or a request elsewhere."""

from pathlib import Path

STATIC: Path = Path(__file__).parent / "static"  # index.html, and what it asks for under `page/`
