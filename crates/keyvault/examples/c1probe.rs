use keyvault::certificate::Certificate;
fn main() {
    let mut args = std::env::args().skip(1);
    let password = args.next().unwrap();
    for file in args {
        let bytes = std::fs::read(&file).unwrap();
        let start = std::time::Instant::now();
        match Certificate::from_bytes_with_password(&bytes, &password) {
            Ok(c) => {
                println!(
                    "{file}: {c:?} {:?} {:?} {} chain {} {:?}",
                    c.dns_names(),
                    c.ip_addresses(),
                    c.thumbprint_sha256(),
                    c.rustls_chain().len(),
                    start.elapsed()
                );
                std::fs::write(format!("{file}.out.pfx"), &*c.pfx()).unwrap();
                std::fs::write(format!("{file}.out.pem"), &*c.pem()).unwrap();
            }
            Err(e) => println!("{file}: {e:?} {:?}", start.elapsed()),
        }
    }
}
