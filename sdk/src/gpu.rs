//! Names of GPU models as people and drivers write them, and the names that requirements use.

use gridlease_core::gpu::MODELS;

/// The model name of an NVML product name, one of [`MODELS`]; `other` for a product that the list does not have.
///
/// `NVIDIA H100 80GB HBM3` is `h100`, `NVIDIA GeForce RTX 4090` is `rtx-4090`. A variant of a listed model (`Ti`,
/// `SUPER`, `Laptop`, `D`) is another product and so `other`, unless it is listed itself.
pub fn model_of(name: &str) -> &'static str {
    let lower = name.to_ascii_lowercase();
    let tokens: Vec<&str> = words(&lower).collect();
    let matches = |model: &&'static str| {
        let parts: Vec<&str> = model.split('-').collect();
        tokens.starts_with(&parts) && !tokens.get(parts.len()).is_some_and(|next| is_variant(next))
    };
    MODELS.iter().copied().filter(matches).max_by_key(|model| model.len()).unwrap_or("other")
}

/// Words after a model's name that make it another model.
fn is_variant(token: &str) -> bool {
    matches!(token, "ti" | "super" | "laptop" | "d" | "ada" | "max" | "mobile" | "se")
}

/// A model as a buyer wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spelled {
    /// The market's name of it, one of [`MODELS`].
    pub model: &'static str,
    /// The memory that was written with it, in GiB as printed on the box.
    pub memory_gib: Option<u32>,
}

/// The model that a buyer means: `rtx4090`, `RTX 4090` and `NVIDIA GeForce RTX 4090` are `rtx-4090`, `A100-80GB` is an `a100` with
/// 80 GiB. `None` where a word is left over (`RTX 4090 Ti`, `A100-SXM`): it would have to be honoured, and cannot be.
pub fn spelled(text: &str) -> Option<Spelled> {
    let lower = text.to_ascii_lowercase();
    let mut memory_gib = None;
    let mut glued = String::new();
    for token in words(&lower) {
        match gib(token) {
            Some(size) if memory_gib.is_none() && !glued.is_empty() => memory_gib = Some(size),
            _ => glued.push_str(token),
        }
    }
    let model = MODELS.iter().copied().find(|model| model.replace('-', "") == glued)?;
    Some(Spelled { model, memory_gib })
}

/// `80gb`, `80gib` or `80g`.
fn gib(token: &str) -> Option<u32> {
    let number = token.strip_suffix("gb").or_else(|| token.strip_suffix("gib")).or_else(|| token.strip_suffix('g'))?;
    number.parse().ok().filter(|size| (1..=1_024).contains(size))
}

/// The words of a product's name, without those that say only who makes it.
fn words(lower: &str) -> impl Iterator<Item = &str> {
    lower
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|token| !matches!(*token, "" | "nvidia" | "tesla" | "geforce" | "quadro" | "graphics"))
}

#[cfg(test)]
mod tests {
    use super::{Spelled, model_of, spelled};

    #[test]
    fn product_names_become_the_models_that_requirements_name() {
        for (name, model) in [
            ("NVIDIA H100 80GB HBM3", "h100"),
            ("NVIDIA H100 PCIe", "h100"),
            ("NVIDIA H200", "h200"),
            ("NVIDIA H200 NVL", "h200"),
            ("NVIDIA GH200 480GB", "gh200"),
            ("NVIDIA A100-SXM4-80GB", "a100"),
            ("NVIDIA A100-PCIE-40GB", "a100"),
            ("NVIDIA L40S", "l40s"),
            ("NVIDIA L4", "l4"),
            ("Tesla T4", "t4"),
            ("Tesla V100-SXM2-16GB", "v100"),
            ("NVIDIA GeForce RTX 4090", "rtx-4090"),
            ("NVIDIA GeForce RTX 2080 Ti", "rtx-2080-ti"),
            ("NVIDIA RTX 6000 Ada Generation", "rtx-6000-ada"),
            ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "rtx-pro-6000"),
            ("NVIDIA RTX A6000", "rtx-a6000"),
        ] {
            assert_eq!(model_of(name), model, "{name}");
        }
    }

    #[test]
    fn a_variant_of_a_listed_model_and_an_unlisted_model_are_other() {
        for name in [
            "NVIDIA GeForce RTX 3080 Ti",
            "NVIDIA GeForce RTX 3080 Laptop GPU",
            "NVIDIA GeForce RTX 4090 D",
            "NVIDIA A10G",
            "Quadro RTX 6000",
            "",
        ] {
            assert_eq!(model_of(name), "other", "{name}");
        }
    }

    #[test]
    fn issue9_21_a_buyer_may_write_a_model_as_people_write_it() {
        for (text, model, memory_gib) in [
            ("h100", "h100", None),
            ("rtx4090", "rtx-4090", None),
            ("RTX 4090", "rtx-4090", None),
            ("NVIDIA GeForce RTX 4090", "rtx-4090", None),
            ("rtx_2080_ti", "rtx-2080-ti", None),
            ("A100-80GB", "a100", Some(80)),
            ("a100 40g", "a100", Some(40)),
            ("RTX6000Ada", "rtx-6000-ada", None),
            ("Tesla V100 32GiB", "v100", Some(32)),
        ] {
            assert_eq!(spelled(text), Some(Spelled { model, memory_gib }), "{text}");
        }
    }

    #[test]
    fn issue9_21_what_is_left_over_of_a_model_is_not_dropped() {
        for text in ["", "80GB", "RTX 4090 Ti", "rtx-4090-d", "A100-SXM4-80GB", "A100-80GB-40GB", "mi300x", "a100-0gb"]
        {
            assert_eq!(spelled(text), None, "{text}");
        }
    }
}
