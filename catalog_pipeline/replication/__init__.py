"""Discovery's and the LMS's documents, from landing to the tables of the catalog."""
