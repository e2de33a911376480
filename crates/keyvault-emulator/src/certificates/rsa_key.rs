//! RSA: the one kind of key that the cryptography of TLS signs with and does not generate.
//!
//! See [RFC 8017](https://www.rfc-editor.org/rfc/rfc8017) for the arithmetic and the encoding.

use std::convert::Infallible;

use crypto_bigint::rand_core::{TryCryptoRng, TryRng};
use crypto_bigint::{BoxedUint, ConcatenatingMul, NonZero, Resize};
use crypto_primes::hazmat::{SetBits, SmallFactorsSieveFactory};
use crypto_primes::{Flavor, is_prime, sieve_and_find};
use yasna::models::ObjectIdentifier;

use crate::random;

/// Generates a key of an even number of bits, and encodes it in PKCS#8.
pub(super) fn generate(bits: u32) -> Vec<u8> {
    loop {
        let (first, second) = (prime(bits / 2), prime(bits / 2));
        // The greater prime is the first one by convention, and some readers require it.
        let (p, q) = if first > second { (first, second) } else { (second, first) };
        if let Some(key) = encode(&p, &q) {
            return key;
        }
    }
}

/// Returns the number of bits of the modulus in an `RSAPublicKey`.
pub(super) fn bits(public_key: &[u8]) -> Option<u32> {
    let modulus = yasna::parse_der(public_key, |reader| {
        reader.read_sequence(|fields| {
            let (modulus, _) = fields.next().read_bigint_bytes()?;
            fields.next().read_bigint_bytes()?;
            Ok(modulus)
        })
    });
    let modulus = BoxedUint::from_be_slice_vartime(&modulus.ok()?);
    Some(modulus.bit_width())
}

/// Returns a random prime whose two highest bits are set, so that the product of two has twice its length.
fn prime(bits: u32) -> BoxedUint {
    let sieve = SmallFactorsSieveFactory::<BoxedUint>::new(Flavor::Any, bits, SetBits::TwoMsb);
    let sieve = sieve.expect("an RSA key has long primes");
    let found = sieve_and_find(&mut SystemRandom, sieve, |_, candidate| is_prime(Flavor::Any, candidate));
    found.ok().flatten().expect("the sieves never end")
}

/// Encodes the key of two primes. `None` for primes that have no key with the exponent, or are equal.
fn encode(p: &BoxedUint, q: &BoxedUint) -> Option<Vec<u8>> {
    let one = BoxedUint::one();
    let modulus = p.concatenating_mul(q);
    let (p_minus_1, q_minus_1) = (p - &one, q - &one);
    let totient = NonZero::new(p_minus_1.concatenating_mul(&q_minus_1)).into_option()?;
    let exponent = BoxedUint::from(EXPONENT).resize(totient.bits_precision());
    let private = exponent.invert_mod(&totient).into_option()?;
    let reduced = |by: &BoxedUint| Some(private.rem_vartime(&NonZero::new(by.clone()).into_option()?));
    let coefficient = q.invert_mod(&NonZero::new(p.clone()).into_option()?).into_option()?;
    let numbers =
        [&modulus, &exponent, &private, p, q, &reduced(&p_minus_1)?, &reduced(&q_minus_1)?, &coefficient].map(bytes);
    let key = yasna::construct_der(|writer| {
        writer.write_sequence(|key| {
            key.next().write_u8(0);
            for number in &numbers {
                key.next().write_bigint_bytes(number, true);
            }
        });
    });
    Some(yasna::construct_der(|writer| {
        writer.write_sequence(|info| {
            info.next().write_u8(0);
            info.next().write_sequence(|algorithm| {
                algorithm.next().write_oid(&ObjectIdentifier::from_slice(RSA_ENCRYPTION));
                algorithm.next().write_null();
            });
            info.next().write_bytes(&key);
        });
    }))
}

fn bytes(number: &BoxedUint) -> Box<[u8]> {
    number.to_be_bytes_trimmed_vartime()
}

/// The random numbers of the system.
struct SystemRandom;

impl TryRng for SystemRandom {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_ne_bytes(random::bytes()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_ne_bytes(random::bytes()))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        random::fill(bytes);
        Ok(())
    }
}

impl TryCryptoRng for SystemRandom {}

/// The public exponent of every tool.
const EXPONENT: u32 = 65_537;
const RSA_ENCRYPTION: &[u64] = &[1, 2, 840, 113_549, 1, 1, 1];
