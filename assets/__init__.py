"""The pipeline's assets and their checks, one module per area: short stories that call `catalog_pipeline`."""
