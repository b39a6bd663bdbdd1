//! Mistakes, put one by one into a copy of the files: each must be found, and for its own reason. They show that the
//! checks can fail, and what each of them is there for.

use super::{Tools, text_of};
use anyhow::{Context, bail};
use std::path::Path;

/// Who has to find it.
enum By {
    Form,
    Validate,
    /// `terraform test`, this file.
    Test(&'static str),
}

struct Mistake {
    file: &'static str,
    right: &'static str,
    wrong: &'static str,
    by: By,
    /// Part of what is said about it.
    says: &'static str,
}

const MISTAKES: &[Mistake] = &[
    Mistake {
        file: "modules/budget/main.tf",
        right: "  time_unit    = \"MONTHLY\"",
        wrong: "  time_unit = \"MONTHLY\"",
        by: By::Form,
        says: "modules/budget/main.tf",
    },
    Mistake {
        file: "modules/queues/main.tf",
        right: "visibility_timeout_seconds = local",
        wrong: "visibility_timeout = local",
        by: By::Validate,
        says: "Unsupported argument",
    },
    Mistake {
        file: "modules/network/main.tf",
        right: "  route_table_id         = aws_route_table.public.id\n",
        wrong: "",
        by: By::Validate,
        says: "Missing required argument",
    },
    Mistake {
        file: "modules/kms/main.tf",
        right: "enable_key_rotation     = true",
        wrong: "enable_key_rotation     = \"often\"",
        by: By::Validate,
        says: "Incorrect attribute value type",
    },
    Mistake {
        file: "modules/service/main.tf",
        right: "deployment_circuit_breaker {",
        wrong: "deployment_breaker {",
        by: By::Validate,
        says: "Unsupported block type",
    },
    Mistake {
        file: "modules/secrets/main.tf",
        right: "resource \"aws_secretsmanager_secret\"",
        wrong: "resource \"aws_secretmanager_secret\"",
        by: By::Validate,
        says: "Invalid resource type",
    },
    Mistake {
        file: "modules/bucket/main.tf",
        right: "var.bucket\n",
        wrong: "var.bucket_name\n",
        by: By::Validate,
        says: "Reference to undeclared input variable",
    },
    Mistake {
        file: "main.tf",
        right: "  keep_days   = var.keep_days\n",
        wrong: "",
        by: By::Validate,
        says: "Missing required argument",
    },
    Mistake {
        file: "services.tf",
        right: "module.load_balancer.target_group_arn",
        wrong: "module.load_balancer.target_group",
        by: By::Validate,
        says: "Unsupported attribute",
    },
    Mistake {
        file: "permissions.tf",
        right: "[\"sqs:GetQueueUrl\", \"sqs:GetQueueAttributes\"]",
        wrong: "[\"sqs:*\"]",
        by: By::Test("tests/permissions.tftest.hcl"),
        says: "Actions are named one by one",
    },
    Mistake {
        file: "permissions.tf",
        right: "[module.queues.arns.batches]",
        wrong: "[module.queues.arns.shards]",
        by: By::Test("tests/permissions.tftest.hcl"),
        says: "Only the api may press",
    },
    Mistake {
        file: "modules/queues/main.tf",
        right: "maxReceiveCount     = local.receives_max",
        wrong: "maxReceiveCount     = 3",
        by: By::Test("tests/queues_and_tables.tftest.hcl"),
        says: "RECEIVES_MAX",
    },
    Mistake {
        file: "modules/service/main.tf",
        right: "readonlyRootFilesystem = true",
        wrong: "readonlyRootFilesystem = false",
        by: By::Test("tests/service.tftest.hcl"),
        says: "Read-only root",
    },
];

/// Tries every mistake; answers how many there are.
pub(super) fn all_are_found(tools: &Tools) -> anyhow::Result<usize> {
    let copy = tools.home.join("mistakes");
    match std::fs::remove_dir_all(&copy) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => copy_folder(&tools.source, &copy)?,
    }
    for mistake in MISTAKES {
        try_one(tools, &copy, mistake).with_context(|| format!("seeded mistake in {}", mistake.file))?;
    }
    Ok(MISTAKES.len())
}

fn try_one(tools: &Tools, copy: &Path, mistake: &Mistake) -> anyhow::Result<()> {
    let path = copy.join(mistake.file);
    let right = std::fs::read_to_string(&path)?;
    if !right.contains(mistake.right) {
        bail!("`{}` is not there any more: seed another one", mistake.right.trim());
    }
    std::fs::write(&path, right.replace(mistake.right, mistake.wrong))?;
    let filter;
    let args: &[&str] = match mistake.by {
        By::Form => &["fmt", "-check", "-recursive", "-no-color"],
        By::Validate => &["validate", "-no-color"],
        By::Test(file) => {
            filter = format!("-filter={file}");
            &["test", "-no-color", &filter]
        }
    };
    // The modules are where they are in the sources: what was noted down for these serves the copy.
    let output = tools.terraform(copy, "root", args)?;
    std::fs::write(&path, right)?;
    let text = text_of(&output);
    if output.status.success() || !text.contains(mistake.says) {
        bail!("`{}` was not found, or not for its reason:\n{text}", mistake.wrong.trim());
    }
    Ok(())
}

/// Copies a folder, without the tools.
fn copy_folder(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_file() {
            std::fs::copy(entry.path(), target)?;
        } else if entry.file_name() != "tools" {
            copy_folder(&entry.path(), &target)?;
        }
    }
    Ok(())
}
