//! Settings types that refuse every text.

/// Defines types that refuse every text, each with the error that its expression makes of the text. The caller needs
/// the crate `serde`.
#[macro_export]
macro_rules! refusing_types {
    ($($visibility:vis $name:ident: |$text:ident| $error:expr;)*) => {$(
        #[derive(Debug)]
        $visibility struct $name;

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> ::std::result::Result<Self, D::Error> {
                let $text = <::std::string::String as ::serde::Deserialize>::deserialize(deserializer)?;
                ::std::result::Result::Err($error)
            }
        }
    )*};
}
