//! The text of a reference, in App Service's syntax and with our parameters.

use std::fmt;

use super::{Reference, ReferenceVault};

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("@Microsoft.KeyVault(")?;
        if let ReferenceVault::Origin(vault) = &self.vault {
            write!(f, "SecretUri={}", self.in_vault(vault.clone()).url())?;
        } else {
            if let ReferenceVault::Named(vault) = &self.vault {
                write!(f, "VaultName={vault};")?;
            }
            write!(f, "SecretName={}", self.name)?;
            if let Some(version) = &self.version {
                write!(f, ";SecretVersion={version}")?;
            }
        }
        if let Some(property) = &self.property {
            write!(f, ";Property={property}")?;
        }
        if let Some(tag) = &self.tag {
            write!(f, ";Tag={tag}")?;
        }
        if self.is_base64 {
            f.write_str(";Encoding=base64")?;
        }
        if let Some(format) = self.format {
            write!(f, ";Format={}", format.name())?;
        }
        if let Some(encode) = self.encode {
            write!(f, ";Encode={}", encode.name())?;
        }
        if self.optional {
            f.write_str(";Optional=true")?;
        }
        f.write_str(")")
    }
}
