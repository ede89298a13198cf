"""Made-up secrets of every well-known kind, in typical lines."""

from __future__ import annotations

PEM = "\n".join(
    [
        "-----BEGIN RSA PRIVATE KEY-----",
        *("MIIEowIBAAKCAQEA" + "x9Yz" * 12 for _ in range(6)),
        "abc=",
        "-----END RSA PRIVATE KEY-----",
    ]
)
PGP = PEM.replace("RSA PRIVATE KEY", "PGP PRIVATE KEY BLOCK").replace(
    "BLOCK-----\n", "BLOCK-----\nVersion: 2\n\n", 1
)
# Put together here, so that no file of this checkout holds what scanners look for.
FOUND = {
    "github-token": ["ghp_" + "aB3" * 12, "gho_" + "x" * 36, "github_pat_" + "11AB" * 15],
    "gitlab-token": ["glpat-" + "aB3d" * 5],
    "slack-token": ["xox" + "b-123456789012-1234567890123-abcdEFGH", "xapp-1-A0123-" + "9f" * 10],
    "slack-webhook": ["https://hooks.slack.com/services/T0AB/B0CD/" + "xY1" * 8],
    "api-key": ["sk-" + "proj-" + "aB3_" * 8, "sk-" + "ant-api03-" + "Zz9-" * 8, "sk-" + "0f" * 16],
    "google-key": ["AIza" + "Sy1" * 11 + "ab", "GOCSPX-" + "aB" * 12, "ya29." + "a0Af" * 8],
    "stripe-key": ["sk_" + "live_" + "4eC39HqLyjWDarjt", "whsec_" + "aB3d" * 8],
    "npm-token": ["npm_" + "aB3d" * 9],
    "pypi-token": ["pypi-" + "AgEI" + "aB3_" * 15],
    "hugging-face-token": ["hf_" + "aB3d" * 8],
    "aws-access-key-id": ["AKIA" + "IOSFODNN7EXAMPLE", "ASIA" + "IOSFODNN7EXAMPLE"],
    "aws-secret-key": [
        "aws_secret_access_key = " + "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        '"SecretAccessKey": "' + "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY" + '"',
        "AWS_SESSION_TOKEN=" + "FwoGZXIvYXdzE" * 5,
    ],
    "jwt": ["eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0." + "dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P"],
    "private-key": [PEM, PGP, PEM[:200], PEM[200:], PEM.replace("\n", "\r\n")],
    "authorization": [
        "curl -H 'Authorization: Bearer abcdefghijkl'",
        "authorization: basic dXNlcjpwYXNz",
        '{"Authorization":"token abcdefgh"}',
    ],
    "bearer-token": ["Bearer " + "abc123" * 4],
    "url-password": [
        "postgres://bob:hunter22@db.example.com/x",
        "https://" + "a1B2" * 8 + "@git.example.com/x.git",
        "redis://:hunter22@cache:6379",
        "origin\thttps://ci:x%3Bid%7Ctee@git.example.com/x.git (fetch)",
    ],
    "url-token": [
        "https://git.example.com/x.git?token=" + "aB3d" * 5,
        "https://api.example.com/v1?access_token=correcthorse&page=2",
        "https://maps.example.com/js?v=3&key=" + "aB3d" * 8,
        "https://acct.blob.example.net/c?sv=2024&sig=" + "aB3d%2B" * 6,
        "https://b.example.com/o?X-Amz-Signature=" + "9f8e" * 16,
    ],
    "password": [
        "DB_PASSWORD=correcthorsebattery",
        "export PASSWORD='hunter22!'",
        "Server=db;User Id=sa;Password=Hunter2222;Encrypt=true",
        "spring.datasource.password=hunter22x",
        "mysql --password=hunter22x -u root",
        "mysql --password hunter22x",
        'password: "hunter22x"',
        "apiKey: 'a1b2c3d4e5f6'",
        "curl -H 'X-Api-Key: a1b2c3d4e5f6'",
        "PRIVATE-TOKEN: a1b2c3d4e5f6",
        "CLIENT_SECRET=a1b2c3d4e5f6",
        "GITLAB_TOKEN=a1b2c3d4e5f6",
    ],
    "netrc-password": [
        "machine git.example.com login bob password hunter2",
        "machine git.example.com\n  login bob\n  password s3cret!\n",
    ],
    "basic-auth": ["curl -u bob:hunter22 https://x.example.com", "curl --user 'bob:hunter22' x"],
    "sendgrid-key": ["SG." + "aB3_" * 5 + "xy" + "." + "aB3-" * 10 + "xyz"],
    "discord-token": ["MTIz" * 6 + ".Gx1y2Z." + "aB3_" * 9],
    "webhook": ["https://discord.com/api/webhooks/123456789012345678/" + "aB3_" * 17],
    "digitalocean-token": ["do" + "p_v1_" + "0f9e" * 16, "do" + "o_v1_" + "0f9e" * 16],
    "vault-token": ["hvs." + "CAES" + "aB3_" * 20],
    "age-key": ["AGE-SECRET-" + "KEY-1" + "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L" + "QPZRY9X8GF2TVDW0S3JN54KHCE"],
    "azure-key": [
        "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=" + "aB3d" * 21 + "ab==;EndpointSuffix=x",
        "Endpoint=sb://x/;SharedAccessKeyName=k;SharedAccessKey=" + "aB3d" * 10 + "abc=",
        "aB3" + "8Q~" + "aB3_" * 8 + "xy",
    ],
    "terraform-token": ["aB3dEf6hIj9kLm" + ".atlasv1." + "aB3_" * 16],
    "telegram-token": ["1234567890:AA" + "aB3_" * 8 + "x"],
    "service-token": [
        "shp" + "at_" + "0f9e" * 8,
        "dckr_" + "pat_" + "aB3d" * 7,
        "lin_" + "api_" + "aB3d" * 10,
        "gl" + "sa_" + "aB3d" * 8 + "_0f9e0f9e",
        "gs" + "k_" + "aB3d" * 12,
        "r8" + "_" + "aB3d" * 9 + "x",
        "PMAK-" + "0f9e" * 6 + "-" + "0f9e" * 8 + "0f",
        "ATATT3" + "aB3d" * 40,
        "rubygems_" + "0f9e" * 12,
        "key-" + "0f9e" * 8,
    ],
}  # fmt: skip
CASES = [(kind, text) for kind, texts in FOUND.items() for text in texts]
