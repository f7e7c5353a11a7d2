"""Names of the server's questions about a plan and its rounds; those of tree heads and secure sums have their own."""

RECEIPT = "receipt"
DRAFT = "draft"
PROPOSAL = "proposal"
STANDING = "standing"
