"""What assets and sensors are handed: the catalog's database, the upstreams, the Dagster instance."""
