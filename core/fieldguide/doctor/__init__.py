"""What ``fieldguide doctor`` looks at: one file a subject; each check returns records."""
