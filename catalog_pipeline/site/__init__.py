"""The site of the tables: static pages about each table, column and check, and the lineage of columns.

`tables` reads what there is to tell, `picture` lays out the lineage of a table, `pages` writes the folder.
"""
