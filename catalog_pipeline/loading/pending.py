"""Which landed documents are pending: one condition, for the loads that decide them and the queries that count them."""

from catalog_pipeline.rules import VERSION

PENDING = f"""
    (d.kind <> 'feed'
     AND (d.payload_hash IS DISTINCT FROM d.settled_hash OR d.settled_rules IS DISTINCT FROM {VERSION}))"""
"""SQL over `d`, a row of `landing.document`: its content has not been decided yet, or by an older version of the rules.

A feed's file is kept as a document too, but is decided when it is ingested, and never by a load of pending documents.
"""
