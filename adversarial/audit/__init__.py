"""The audit of the pairs: can the negatives be told without reading the note, and are the files sound?"""

from adversarial.audit.checkup import Audit, audit_files
from adversarial.audit.page import REPORT_JSON, write_report

__all__ = ["REPORT_JSON", "Audit", "audit_files", "write_report"]
