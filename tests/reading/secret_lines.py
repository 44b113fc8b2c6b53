"""Ways in which logs print secrets, as templates: `{p}` is the secret, `{{` a brace."""

from __future__ import annotations

PASSWORDS = (
    "Tr0ub4dor&3",
    "p@ssW0rd!2024",
    "correct-horse-battery-staple",
    "Summer2024!",
    "hunter2",
    "S3cr3tP@ss",
    "aB3,dE5;fG7",
    "letmein-please-99",
)
PASSWORD_WAYS = r"""
DB_PASSWORD={p}
export DB_PASSWORD="{p}"
    "password": "{p}",
'password': '{p}'
password: {p}
  db_password: "{p}"
PGPASSWORD='{p}' psql -h x
mysql --password={p} -u root
mysql --user=root --password='{p}'
spring.datasource.password={p}
jdbc:mysql://h/db?user=root&password={p}
Data Source=h;User Id=sa;Password={p};
<password>{p}</password>
<add key="DbPassword" value="{p}" />
<entry key="password">{p}</entry>
{{"username":"u","password":"{p}"}}
{{\"password\":\"{p}\"}}
User(name='x', password='{p}')
{{:password=>"{p}", :user=>"x"}}
{{password: "{p}"}}
+ docker run -e MYSQL_ROOT_PASSWORD={p} mysql
[DEBUG] connecting with password "{p}"
Connecting as root with password: {p}
The password is {p}
declare -x ADMIN_PASSWORD="{p}"
set DB_PASS={p}
DB_PASS: {p}
smtp_pass = "{p}"
redis_password="{p}"
KEYSTORE_PASSWORD={p}
-Pandroid.injected.signing.store.password={p}
storePassword={p}
signing.keyPassword={p}
-Dsonar.password={p}
ansible_password: '{p}'
ansible_ssh_pass={p}
--build-arg DB_PASSWORD={p}
helm upgrade x --set db.password={p} --wait
kubectl create secret generic db --from-literal=password={p}
terraform apply -var="db_password={p}"
password = "{p}" -> (known after apply)
  + password = "{p}"
Password: {p}
login: root password: {p}
"Password" : "{p}"
pwd={p}
PWD={p};
user=admin&password={p}&submit=1
htpasswd -bc .htpasswd admin {p}
echo "{p}" | sudo -S apt
echo '{p}' | docker login -u x --password-stdin
curl -u "admin:{p}" http://x
curl --user admin:{p} http://x
http --auth admin:{p} :8000
wget --http-user=a --http-password={p} http://x
ftp://user:{p}@ftp.example.com/
mongo -u admin -p {p} --authenticationDatabase admin
redis-cli -a {p} ping
az login --service-principal -u x -p {p} --tenant y
sshpass -p {p} ssh x
sshpass -p{p} ssh x
set -x PASSWORD {p}
ENV ADMIN_PASSWORD {p}
ARG ADMIN_PASSWORD={p}
ADMIN_PASSWORD => {p}
[ADMIN_PASSWORD] => {p}
%ENV ADMIN_PASSWORD={p}
os.environ['DB_PASSWORD'] = '{p}'
environ({{'DB_PASSWORD': '{p}', 'HOME': '/root'}})
process.env.DB_PASSWORD = "{p}"
ADMIN_PASSWORD : {p}
##[debug]password='{p}'
##[set-env name=DB_PASSWORD;]{p}
::set-env name=DB_PASSWORD::{p}
::debug::password: {p}
"""
# What machines make: forty hex digits, base 62, a UUID, base 64.
TOKENS = (
    "5f0c3e9ab27d4168f0c3e9ab27d4168c5f0c3e9a",
    "q7Rk2LmX9vTb4NcZ8wYp3HsD6gJf1QaE",
    "3f2b8c1d-9a4e-4c7b-8d6f-1e2a3b4c5d6e",
    "mZ3qT8/xW1yB+6nK4cR7vL0pJ9sG2hD5fA8uE3tY6iO=",
)
TOKEN_WAYS = r"""
API_KEY={p}
apiKey: "{p}",
"apiKey":"{p}"
api_key = {p}
--api-key {p}
--apikey={p}
-ApiKey {p}
X-API-Key: {p}
x-auth-token: {p}
api key: {p}
API token: {p}
access token: {p}
Using token {p}
token={p}
token: {p}
"token": "{p}"
auth_token: {p}
Authorization: Token {p}
Authorization: {p}
authorization: bearer {p}
'Authorization': 'Bearer {p}'
Authorization: ApiKey {p}
GET /x?api_key={p}&a=b
GET /x?access_token={p}
https://x.test/?token={p}
client_secret={p}
clientSecret: '{p}'
CLIENT_SECRET: {p}
AWS_SECRET_ACCESS_KEY: {p}
aws_secret_access_key = {p}
"SecretAccessKey": "{p}",
secretKey={p}
secret_key_base: {p}
STRIPE_SECRET={p}
WEBHOOK_SECRET="{p}"
webhookSecret={p}
jwt_secret: {p}
ENCRYPTION_KEY={p}
encryptionKey: {p}
private_key: {p}
PRIVATE_KEY={p}
DEPLOY_KEY={p}
SENTRY_AUTH_TOKEN={p}
NPM_TOKEN={p}
//registry.example.org/:_authToken={p}
_authToken={p}
npm config set //registry.example.org/:_authToken {p}
machine api.heroku.com login x password {p}
HEROKU_API_KEY={p}
VAULT_TOKEN={p}
CONSUL_HTTP_TOKEN={p}
DD_API_KEY={p}
DATADOG_APP_KEY={p}
NEW_RELIC_LICENSE_KEY={p}
newrelic.license_key={p}
ALGOLIA_ADMIN_KEY={p}
INSTRUMENTATION_KEY={p}
AccountKey={p}
SharedAccessKey={p}
Ocp-Apim-Subscription-Key: {p}
sessionToken={p}
AWS_SESSION_TOKEN={p}
refresh_token={p}
"refresh_token": "{p}"
id_token: {p}
oauth_token="{p}"
bearer {p}
Bearer {p}
credentials: {p}
Cookie: session={p}
set-cookie: JSESSIONID={p}; Path=/
sonar.login={p}
-Dsonar.token={p}
snyk auth {p}
codecov -t {p}
CODECOV_TOKEN={p}
COVERALLS_REPO_TOKEN={p}
repo_token: {p}
circle-token={p}
?circle-token={p}
PRIVATE-TOKEN: {p}
--header "PRIVATE-TOKEN: {p}"
JOB-TOKEN: {p}
CI_JOB_TOKEN={p}
ACTIONS_RUNTIME_TOKEN={p}
SECRET={p}
TOKEN={p}
MY_SECRET: {p}
"secret": "{p}"
secret: {p}
export GH_PAT={p}
AZURE_DEVOPS_EXT_PAT={p}
firebase deploy --token {p}
firebase deploy --token "{p}"
gh auth login --with-token <<< {p}
vault login {p}
doctl auth init -t {p}
security_token: {p}
signing_secret={p}
SLACK_SIGNING_SECRET={p}
master_key={p}
RAILS_MASTER_KEY={p}
MAPBOX_ACCESS_TOKEN={p}
passphrase={p}
GPG_PASSPHRASE={p}
gpg --passphrase {p} -d
hmac_key={p}
SECRET_TOKEN={p}
x-vault-token: {p}
X-Amz-Security-Token={p}
https://user:{p}@github.com/o/r.git
https://x-access-token:{p}@github.com/o/r
redis://:{p}@h:6379
rediss://default:{p}@h
amqps://u:{p}@h/v
mongodb+srv://u:{p}@h/d
kubectl config set-credentials x --token={p}
oc login --token={p} --server=x
-e SECRET_KEY={p}
{{"Name":"API_TOKEN","Value":"{p}"}}
{{\"data\":\"{{\\\"api_key\\\":\\\"{p}\\\"}}\"}}
%7B%22token%22%3A%22{p}%22%7D
&quot;token&quot;:&quot;{p}&quot;
ConvertTo-SecureString "{p}" -AsPlainText -Force
PHPSESSID={p}; path=/
security create-keychain -p {p} build.keychain
Error: invalid api key '{p}'
Error: Incorrect API key provided: {p}.
user bot password {p}
requirepass {p}
netlify deploy --auth {p}
sentry-cli --auth-token {p} releases list
-backend-config="access_key={p}"
<property name="hibernate.connection.password">{p}</property>
ALTER USER app WITH ENCRYPTED PASSWORD '{p}';
{{"Cookie":["sid={p}"]}}
"""
