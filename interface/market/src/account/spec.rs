//! Requirement and machine class, as they stand in accounts (`…Data`, zero-copy) and in arguments (`…Args`, Borsh). The
//! fields are written once; the rules read them through `convert`.

use anchor_lang::prelude::*;

/// Defines the two forms of one structure, and the way from the argument to the account.
macro_rules! twin {
    ($(#[$doc:meta])* $data:ident, $args:ident { $($(#[$field_doc:meta])* $field:ident: $type:ident,)* }) => {
        $(#[$doc])*
        #[zero_copy]
        #[derive(Debug, Default, PartialEq, Eq)]
        pub struct $data {
            $($(#[$field_doc])* pub $field: $type,)*
            /// Zero.
            pub pad: u8,
        }

        $(#[$doc])*
        #[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $args {
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl From<&$args> for $data {
            fn from(args: &$args) -> Self {
                Self { $($field: args.$field,)* pad: 0 }
            }
        }
    };
}

twin! {
    /// What one unit of an offer has; see `gridlease_core::requirement::OfferSpec` for the meaning of each field.
    SpecData, SpecArgs {
        /// Memory of each GPU in MiB.
        vram_mib: u32,
        /// CPU in thousandths of a core.
        cpu_milli: u32,
        /// Memory in MiB.
        memory_mib: u32,
        /// Disk in MiB.
        disk_mib: u32,
        /// Downstream bandwidth in Mbit/s.
        down_mbit: u32,
        /// Upstream bandwidth in Mbit/s.
        up_mbit: u32,
        /// Flags.
        flags: u32,
        /// Compute capability, major × 10 + minor.
        compute_capability: u16,
        /// CUDA version, major × 100 + minor.
        cuda: u16,
        /// GPU model number.
        gpu_model: u8,
        /// GPUs of one unit.
        gpu_count: u8,
        /// Region number.
        region: u8,
    }
}

twin! {
    /// What a job needs; see `gridlease_core::requirement::Requirement` for the meaning of each field.
    RequirementData, RequirementArgs {
        /// GPU models 0 to 63 that will do, a bit each; zero in both halves: any.
        gpu_models: u64,
        /// GPU models 64 to 127 that will do.
        gpu_models_high: u64,
        /// Least stake in atoms.
        min_stake: u64,
        /// Memory of each GPU in MiB.
        vram_mib: u32,
        /// CPU in thousandths of a core.
        cpu_milli: u32,
        /// Memory in MiB.
        memory_mib: u32,
        /// Disk in MiB.
        disk_mib: u32,
        /// Regions that will do, a bit each; zero: any.
        regions: u32,
        /// Downstream bandwidth in Mbit/s.
        down_mbit: u32,
        /// Upstream bandwidth in Mbit/s.
        up_mbit: u32,
        /// Flags.
        flags: u32,
        /// Least compute capability, major × 10 + minor.
        compute_capability: u16,
        /// Least CUDA version, major × 100 + minor.
        cuda: u16,
        /// Least reputation in basis points.
        min_reputation: u16,
        /// GPUs needed.
        gpu_count: u8,
    }
}

impl RequirementData {
    /// The models that will do, in both halves of the mask.
    pub fn models(&self) -> u128 {
        u128::from(self.gpu_models_high) << 64 | u128::from(self.gpu_models)
    }
}
