//! How people and drivers write GPU models.

use super::{TABLE, family_bits, is_sold_with};

/// Words that say who makes a GPU, or of which generation it is, and not which one it is.
pub const NOISE: [&str; 9] =
    ["nvidia", "tesla", "geforce", "graphics", "generation", "edition", "blackwell", "gpu", "accelerator"];

/// A model as a buyer wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spelled {
    /// The model that was named, by its number: its family is what was asked for (see [`family_bits`]).
    pub model: u8,
    /// The memory that was written with it, in GB as printed on the box.
    pub memory_gb: Option<u16>,
    /// How many of them.
    pub count: Option<u8>,
}

impl Spelled {
    /// The models that will do, as a requirement's mask.
    #[must_use]
    pub fn models(&self) -> u128 {
        family_bits(self.model)
    }
}

/// The model that a buyer means: `rtx4090`, `RTX 4090` and `NVIDIA GeForce RTX 4090` are `rtx-4090`, `A100-80GB` is an `a100` with
/// 80 GB, `h100:8` and `8x H100` are eight of them. `None` where a word is left over (`RTX 4090 Foo`), or where no such model is
/// sold with that memory: it would have to be honoured, and cannot be.
pub fn spelled(text: &str) -> Option<Spelled> {
    let (text, count) = count_of(text)?;
    let model = named(text, |model, text| is_written(text, model.name))
        .or_else(|| named(text, |model, text| model.drivers.iter().any(|name| is_written(text, name))))?;
    let memory_gb = words(text).skip(1).find_map(gigabytes);
    if memory_gb.is_some_and(|gb| !is_sold_with(family_bits(model), gb)) {
        return None;
    }
    Some(Spelled { model, memory_gb, count })
}

/// Number of the model that a driver calls `product`; 0, `other`, for a product that the table does not list.
///
/// `NVIDIA H100 80GB HBM3` is `h100-sxm`, `NVIDIA GeForce RTX 4090` is `rtx-4090`. A variant of a listed model (`Ti`, `SUPER`,
/// `Laptop`, `D`, a part of a GPU) is another product, and so `other` unless it is listed itself.
pub fn product(product: &str) -> u8 {
    named(product, |model, text| model.drivers.iter().any(|name| is_written(text, name)))
        .or_else(|| named(product, |model, text| is_written(text, model.name)))
        .unwrap_or(0)
}

/// The first model that is so.
fn named(text: &str, is: impl Fn(&super::Model, &str) -> bool) -> Option<u8> {
    (0u8..).zip(&TABLE).find(|(_, model)| is(model, text)).map(|(id, _)| id)
}

/// Do the words of `text`, without its memory, make up `name`? Case and everything but letters and digits aside.
fn is_written(text: &str, name: &str) -> bool {
    let memory = words(text).skip(1).position(|word| gigabytes(word).is_some()).map(|at| at + 1);
    let kept = words(text).enumerate().filter(|(at, _)| Some(*at) != memory);
    let letters = kept.flat_map(|(_, word)| word.bytes()).map(|letter| letter.to_ascii_lowercase());
    letters.eq(name.bytes().filter(u8::is_ascii_alphanumeric))
}

/// The words of a name but for [`NOISE`].
fn words(text: &str) -> impl Iterator<Item = &str> {
    let parts = text.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    parts.filter(|word| !NOISE.iter().any(|noise| word.eq_ignore_ascii_case(noise)))
}

/// `80gb`, `80gib` or `80g`, in any case.
fn gigabytes(word: &str) -> Option<u16> {
    let digits = word.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = word.split_at_checked(digits)?;
    if !["gb", "gib", "g"].iter().any(|known| unit.eq_ignore_ascii_case(known)) {
        return None;
    }
    number.parse().ok().filter(|size| (1..=1_024).contains(size))
}

/// What is left of `text` without its count, and the count: `h100:8`, `8x H100`, `8xh100`. `None` for a count that is none.
fn count_of(text: &str) -> Option<(&str, Option<u8>)> {
    if let Some((rest, count)) = text.rsplit_once(':') {
        let count = count.trim().parse().ok().filter(|count| *count > 0)?;
        return Some((rest, Some(count)));
    }
    let trimmed = text.trim_start();
    let digits = trimmed.bytes().take_while(u8::is_ascii_digit).count();
    match trimmed.split_at_checked(digits) {
        Some((count, rest)) if digits > 0 && rest.starts_with(['x', 'X']) => {
            let count = count.parse().ok().filter(|count| *count > 0)?;
            Some((rest.get(1..)?, Some(count)))
        }
        _ => Some((text, None)),
    }
}
