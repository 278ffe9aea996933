"""Copies of DICOM and NIfTI files without what tells of a person."""
