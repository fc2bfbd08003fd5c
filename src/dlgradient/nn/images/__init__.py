"""Images: blocks, quality, resizing, regions and sampling."""
