#!/bin/sh
# Runs the contract's suite on a real AWS account: NEEDS AN ACCOUNT, and credentials where the SDK looks for them
# (AWS_PROFILE, environment, role). It makes queues, tables and buckets whose names begin with owl-contract-, and removes
# them again, also after Ctrl-C. Costs a few cents; takes about 10 minutes, 5 of them for deduplication's end.
#
#   deploy/aws-contract.sh eu-central-1              all rules
#   deploy/aws-contract.sh eu-central-1 shards.      only the rules whose names begin so
#
# It may: sqs:CreateQueue, DeleteQueue, Get*, SendMessage, ReceiveMessage, DeleteMessage, ChangeMessageVisibility;
# dynamodb:CreateTable, DeleteTable, Describe*, UpdateTimeToLive, the item calls and PartiQL*; s3:CreateBucket,
# DeleteBucket, the object and multipart calls; all on owl-contract-*.
set -eu
cd "$(dirname "$0")/.."
region=${1:?"which region? deploy/aws-contract.sh eu-central-1"}
# exec: Ctrl-C reaches the program itself, which cleans up.
exec cargo run --locked --quiet -p aws --features standin --example contract -- --region "$region" --only "${2:-}"
