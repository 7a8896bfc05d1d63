"""Who made a report, and when: a signed statement beside the report, and a log of all that were attested here.

Beside, never inside: a report is the same whoever makes it, and no engine takes an attestation for an input. What is
signed are hashes, of the report and of everything that it rests on, receipts included. Never imports torch.
"""
