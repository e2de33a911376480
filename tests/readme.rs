//! The Rust examples of the README and of the guides, as doctests: each must compile.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../docs/app-configuration.md")]
struct AppConfiguration;

#[cfg(doctest)]
#[doc = include_str!("../docs/certificates.md")]
struct Certificates;

#[cfg(doctest)]
#[doc = include_str!("../docs/client.md")]
struct Client;

#[cfg(doctest)]
#[doc = include_str!("../docs/deploying.md")]
struct Deploying;

#[cfg(doctest)]
#[doc = include_str!("../docs/from-app-service.md")]
struct FromAppService;

#[cfg(doctest)]
#[doc = include_str!("../docs/from-azure-sdk.md")]
struct FromAzureSdk;

#[cfg(doctest)]
#[doc = include_str!("../docs/from-dotenv.md")]
struct FromDotenv;

#[cfg(doctest)]
#[doc = include_str!("../docs/from-dotnet.md")]
struct FromDotnet;

#[cfg(doctest)]
#[doc = include_str!("../docs/from-spring.md")]
struct FromSpring;

#[cfg(doctest)]
#[doc = include_str!("../docs/monitoring.md")]
struct Monitoring;

#[cfg(doctest)]
#[doc = include_str!("../docs/references.md")]
struct References;

#[cfg(doctest)]
#[doc = include_str!("../docs/names.md")]
struct Names;

#[cfg(doctest)]
#[doc = include_str!("../docs/opentelemetry.md")]
struct OpenTelemetry;

#[cfg(doctest)]
#[doc = include_str!("../docs/refresh-and-failure.md")]
struct RefreshAndFailure;

#[cfg(doctest)]
#[doc = include_str!("../docs/packages.md")]
struct Packages;
