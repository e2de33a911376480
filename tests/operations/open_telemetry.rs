//! The OpenTelemetry provider of the client options receives the spans of the client.

use std::any::Any;
use std::borrow::Cow;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use azure_core::http::{ClientOptions, Context, InstrumentationOptions, Request};
use azure_core::tracing::{
    AsAny, Attribute, AttributeValue, Span, SpanGuard, SpanKind, SpanStatus, Tracer, TracerProvider,
};
use keyvault_emulator::Emulator;
use keyvault_test_support::canary::assert_free_of;
use keyvault_test_support::credential::FakeCredential;
use keyvault_test_support::emulator::transport_to;

/// Records the attributes of the spans.
#[derive(Clone, Debug, Default)]
struct Book(Arc<Mutex<Vec<String>>>);

impl Book {
    fn write(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }

    fn span(&self, name: &str, attributes: &impl Debug) -> Arc<dyn Span> {
        self.write(format!("span {name} {attributes:?}"));
        Arc::new(self.clone())
    }
}

impl TracerProvider for Book {
    fn get_tracer(&self, _: Option<&'static str>, _: &'static str, _: Option<&'static str>) -> Arc<dyn Tracer> {
        Arc::new(self.clone())
    }
}

impl Tracer for Book {
    fn start_span(&self, name: Cow<'static, str>, _: SpanKind, attributes: Vec<Attribute>) -> Arc<dyn Span> {
        self.span(&name, &attributes)
    }

    fn start_span_with_parent(
        &self,
        name: Cow<'static, str>,
        _: SpanKind,
        attributes: Vec<Attribute>,
        _: Arc<dyn Span>,
    ) -> Arc<dyn Span> {
        self.span(&name, &attributes)
    }

    fn namespace(&self) -> Option<&'static str> {
        None
    }
}

impl AsAny for Book {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl SpanGuard for Book {
    fn end(self) {}
}

impl Span for Book {
    fn is_recording(&self) -> bool {
        true
    }

    fn span_id(&self) -> [u8; 8] {
        [1; 8]
    }

    fn end(&self) {
        self.write("end".to_owned());
    }

    fn set_status(&self, status: SpanStatus) {
        self.write(format!("status {status:?}"));
    }

    fn set_attribute(&self, key: &'static str, value: AttributeValue) {
        self.write(format!("{key} {value:?}"));
    }

    fn record_error(&self, error: &dyn std::error::Error) {
        self.write(format!("error {error}"));
    }

    fn set_current(&self, _: &Context) -> Box<dyn SpanGuard> {
        Box::new(self.clone())
    }

    fn propagate_headers(&self, _: &mut Request) {}
}

#[tokio::test(start_paused = true)]
async fn an_open_telemetry_provider_receives_the_spans_of_the_azure_sdk_and_no_value() {
    let emulator = Arc::new(Emulator::start().await.unwrap());
    let transport = transport_to(&emulator);
    let book = Book::default();
    let provider: Arc<dyn TracerProvider> = Arc::new(book.clone());
    let instrumentation = InstrumentationOptions { tracer_provider: Some(provider) };
    let options = ClientOptions { instrumentation, ..transport.options() };
    let client = transport.client(&FakeCredential::fixed(emulator.token())).client_options(options).build().unwrap();
    client.set("a", "canary").await.unwrap();
    client.get("a").await.unwrap();
    client.get("missing").await.unwrap_err();
    let spans = book.0.lock().unwrap().join("\n");
    for expected in ["span KeyVault.setSecret", "span KeyVault.getSecret", "span PUT", "span GET", "end"] {
        assert!(spans.contains(expected), "{expected}: {spans}");
    }
    assert_free_of(&spans, &["canary", &emulator.token()[..40]]);
}
