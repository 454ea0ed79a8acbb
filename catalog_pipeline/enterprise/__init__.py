"""Records of enterprise customers, whether an upstream lists them or a file has them: judged and written alike."""
