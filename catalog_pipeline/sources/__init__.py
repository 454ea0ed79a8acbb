"""Where data comes from: fetching it, and picking the catalog's columns out of it. Deciding is not done here."""
