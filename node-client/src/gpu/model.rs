//! From NVML's product names to the model names that requirements use.

use gridlease_core::gpu::MODELS;

/// The model name of an NVML product name, one of [`MODELS`]; `other` for a product that the list does not have.
///
/// `NVIDIA H100 80GB HBM3` is `h100`, `NVIDIA GeForce RTX 4090` is `rtx-4090`. A variant of a listed model (`Ti`,
/// `SUPER`, `Laptop`, `D`) is another product and so `other`, unless it is listed itself.
#[must_use]
pub fn model_of(name: &str) -> &'static str {
    let lower = name.to_ascii_lowercase();
    let tokens: Vec<&str> = lower
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|token| !matches!(*token, "" | "nvidia" | "tesla" | "geforce" | "quadro" | "graphics"))
        .collect();
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

#[cfg(test)]
mod tests {
    use super::model_of;

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
}
