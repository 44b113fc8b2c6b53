"""Lines of real kinds that only look as if they held a secret: redaction changes none of them. One
line each.
"""

from __future__ import annotations

CLEAN = r"""
HEAD is now at 3f786850e387550fdab836ed7e6dc881de23001b
+ foo@1.2.3 integrity sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==
github.com/pkg/errors v0.9.1 h1:FEBLx1zS214owpjy7qsBeixbURkuhQAwrK5UwLGTwt4=
    --hash=sha256:5e1f5bc1c1b1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b
Digest: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
registry.example.org/library/python@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
ETag: "33a64df551425fcc55e4d42a148795d9f25f89d4"
Build id: 7f9c2ba4e88f827d616045507605853e
Cache key: linux-npm-5e1f5bc1c1b1a2b3c4d5e6f708192a3b
key: Linux-node-9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
cache-key: linux-npm-5e1f5bc1c1b1a2b3c4d5e6f708192a3b
  key: ${{ runner.os }}-npm-${{ hashFiles('**/package-lock.json') }}
Cache restored from key: setup-python-Linux-22.04-x64-python-3.11.4-pip-9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
restore-keys: linux-npm-
primary key: user_id_1234abcd
public_key: AAAAB3NzaC1yc2EAAAADAQABAAABAQC7
public-key-token=b77a5c561934e089
System.Core, Version=4.0.0.0, Culture=neutral, PublicKeyToken=b77a5c561934e089
token: unexpected
SyntaxError: Unexpected token: foo123bar
SyntaxError: Unexpected token '<', "<!DOCTYPE "... is not valid JSON
Password: 
Enter password: 
keyId: 12ab34cd56ef78
AWS_ACCESS_KEY_ID: ***
foreign key constraint fails (`db`.`t`, CONSTRAINT `fk_1` FOREIGN KEY (`a`) REFERENCES `b` (`id`))
"login.password": "Password",
"password.reset.title": "Reset your password",
secretName: my-secret
secretKeyRef: {name: my-secret, key: password}
    secretName: tls-cert-2024
GITHUB_TOKEN: ***
  NODE_AUTH_TOKEN: XXXXX-XXXXX-XXXXX-XXXXX
password_hash_algorithm: bcrypt
tokenizer=BertTokenizerFast
token_type: bearer
expires_in: 3600, token_type=Bearer
num_tokens=12345678
max_token_length: 512
key=value
ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDPuD8qV7yXw1 user@host
SHA256:nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8 (RSA)
RSA key fingerprint is SHA256:nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8.
The key fingerprint is: 16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48
GPG key ID: 4AEE18F83AFDEB23
gpg: using RSA key 4AEE18F83AFDEB234AEE18F83AFDEB234AEE18F8
gpg: key 0x1234567890ABCDEF: public key "Foo <foo@bar.com>" imported
ENV GPG_KEY=E3FF2839C048B25C084DEBE9B26995E310250568
GPG_KEY: E3FF2839C048B25C084DEBE9B26995E310250568
java.security.InvalidKeyException: Illegal key size: AES256
org.springframework.security.authentication.UsernamePasswordAuthenticationToken@1f2e3d4c
token=org.springframework.security.Token@1a2b3c4d
data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==
Downloading https://files.example.org/packages/ab/cd/9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08/foo-1.0.whl
def login(username, password): return authenticate(username=username, password=password)
self.assertEqual(user.password, hashed_password)
assert response.json()["token"] == expected_token
const token = await getToken(userId);
const apiKey = config.apiKey2;
let key = keys[i];
token = request.headers.get('Authorization')
E       KeyError: 'api_key'
E       AssertionError: assert 'token' in {'id': 1}
test_password_reset_token_expires_after_24h PASSED
tests/test_auth.py::test_token_refresh[api-key-v2] PASSED
com.example.security.TokenServiceTest.refreshToken:142
at com.example.Token.parse(Token.java:123)
TokenServiceTest > shouldRefreshToken() PASSED
warning: unused variable: `secret_key`
error[E0308]: expected `;`, found keyword `fn`
--token-file /etc/secrets/token
--key-file=/etc/ssl/private/server.key
--secret-name my-secret-v2
ssl_certificate_key /etc/nginx/key.pem;
keystore.password=${KEYSTORE_PASSWORD}
password: {{ vault_password }}
password=$DB_PASSWORD
password = var.db_password
password = (sensitive value)
+ password = (known after apply)
api_key: !ref ApiKeyParam
apiKeySecretRef: projects/123/secrets/foo
password must contain at least 8 characters
Password for 'https://github.com':
fatal: Authentication failed for 'https://github.com/foo/bar.git/'
Logging in with your password to docker
WARNING! Your password will be stored unencrypted in /root/.docker/config.json.
WARNING! Using --password via the CLI is insecure. Use --password-stdin.
remote: Invalid username or password.
git@github.com:foo/bar.git
https://registry.example.org/@babel/core/-/core-7.12.3.tgz
npm WARN deprecated string-width@4.2.3
http://localhost:8080/path?key=value&sort=name
https://user@bitbucket.org/foo/bar
GET /api/v1/users?page=2&page_token=CAUQAA HTTP/1.1
nextPageToken: CAUQAAxyz123
session_id=abc
X-Request-Id: 7f9c2ba4e88f827d616045507605853e
trace_id=7f9c2ba4e88f827d616045507605853e span_id=7f9c2ba4e88f827d
Set-Cookie: theme=dark; Path=/
basic auth enabled
Bearer token required
Authorization header missing
authorization: none
auth: true
"auth": {"type": "oauth2"}
author: Foo Bar <foo@bar.com>
Author: dependabot[bot] <49699333+dependabot[bot]@users.noreply.github.com>
credential.helper=/usr/lib/git-core/git-credential-store
http.https://github.com/.extraheader=AUTHORIZATION: basic ***
git config --local http.https://github.com/.extraheader AUTHORIZATION: basic ***
  token: ***
  ssh-key: 
  ssh-strict: true
  persist-credentials: true
persist-credentials: false
credentials: omit
mkdir -p build/output2/foo-bar_1
docker login -u foo --password-stdin
cp -p file1.txt /tmp/x2
unzip -p foo.zip bar
zip -r -p out.zip dist
curl -u user https://x
docker build -t foo:1.2.3 .
mysql -u root -p
mysql -h localhost -P 3306 -u root
ssh -p 2222 user@host
tar -xpf foo.tar
node_modules/.cache/babel-loader/9f86d081884c7d659a2feaa0c55ad015.json
Layer already exists: 5e1f5bc1c1b1
webpack://./node_modules/foo/index.js?a1b2
checksum = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
commit_sha=3f786850e387550fdab836ed7e6dc881de23001b
sourceMappingURL=data:application/json;base64,eyJ2ZXJzaW9uIjozLCJzb3VyY2VzIjpbImEuanMiXSwibmFtZXMiOltdLCJtYXBwaW5ncyI6IkFBQUEifQ==
accessKeyId: "AKIAXXXXXXXXXXXXXXXX"
  secrets: inherit
secret: false
hasSecret: true
keyword: async123
keys: 128
key: 0
Key: "foo-1"
ECDSA_KEY #generateX509Certificate should rethrow errors: 1ms
hotkey=Ctrl+Shift+P1
Stack key: networking-v2-Prod1
partitionKey: user#1234abcd
idempotency_key=7f9c2ba4-e88f-827d-6160-45507605853e
token_count: 1234, prompt_tokens=123, completion_tokens=456
<Token kind=IDENT text="foo1bar2">
Token(type='NAME', value='foo123')
Token: IDENTIFIER(foo1)
unknown token: 0x1F4A9xyz
KEY_ALGORITHM=RSA4096
SIGNING_KEY_ID=3AA5C34371567BD2
signingKeyId: 3AA5C34371567BD2
API_KEY_HEADER=X-Api-Key2
TOKEN_URL=https://foo.bar/oauth2/token
SECRET_ARN=arn:aws:secretsmanager:us-east-1:123456789012:secret:foo-AbCdEf
password_policy=strong12
PASSWORD_MIN_LENGTH=12
Compiling tokio-native-tls v0.3.1
Compiling secrecy v0.8.0
ok  	github.com/foo/token	0.123s
--- PASS: TestTokenV2 (0.00s)
PASS: foo_test1
  password (required): string
usage: foo [--password PASSWORD] [--token TOKEN]
  --password <password>  The password
  --token string   Bearer token for authentication (default "")
--api-key is required
Missing required option: api-key
Invalid API key provided: sk-12345
Secret scanning found 0 secrets
secret/data/foo: permission denied
i18n key "user.password.label2" not found
missing translation: en.auth.password2.title
Travis encrypted: secure: "abc"
[secure]
export DB_PASSWORD=[secure]
$ export CODECOV_TOKEN=[secure]
"""
