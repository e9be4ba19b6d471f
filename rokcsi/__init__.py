"""rokcsi: instant, restorable volumes for data-science pipelines, as a CSI driver."""

__version__ = "0.1.0"
