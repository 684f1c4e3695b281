# The consumer's container group: the consumer and the key-release sidecar, confidential. It is a template of Azure
# Resource Manager without parameters: the generated policy would allow any value for one. $v has the values, and $policy
# is empty until the policy is generated. The policy fixes images, commands and the values of variables, but lets variables
# be left out. So the consumer's command names all of its variables, and without one it does not start.
(
  {
    SkrClientKID: $v.KEY_NAME,
    SkrClientMAAEndpoint: $v.ATTESTATION_HOST,
    SkrClientAKVEndpoint: $v.VAULT_HOST,
    BROKERS: $v.BROKERS,
    KAFKA_PRESET: $v.KAFKA_PRESET,
    KAFKA_AZURE_IDENTITY: $v.KAFKA_AZURE_IDENTITY,
    KAFKA_SECURITY_PROTOCOL: $v.KAFKA_SECURITY_PROTOCOL,
    TOPIC: $v.TOPIC,
    # The page at its attested address only, so that viewers can verify it. They need the password, because Azure lets
    # everyone reach the address.
    WEB_ADDR: "none",
    WEB_ATTESTED_ADDR: ":3443",
    WEB_HOSTS: $v.PAGE_HOST,
    WEB_USERS: $v.PAGE_USER,
    EXPECTED_KEY_IDS: $v.EXPECTED_KEY_IDS
  } + if $v.TRUSTED_SENDERS then {
    REQUIRE_FORMAT: "envelope", REQUIRE_SENDER: "verified", ALLOWED_READERS: "held", REQUIRE_FRESH: "true",
    TRUSTED_SENDERS: $v.TRUSTED_SENDERS
  } else {} end | with_entries(select(.value != null))
) as $environment |
{
  "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
  contentVersion: "1.0.0.0",
  resources: [{
    type: "Microsoft.ContainerInstance/containerGroups",
    apiVersion: "2023-05-01",
    name: "kafka-golang-consumer",
    location: $v.LOCATION,
    # The sidecar asks the vault with it, the consumer Event Hubs; and it pulls the images.
    identity: {type: "UserAssigned", userAssignedIdentities: {($v.CONSUMER_ID): {}}},
    properties: {
      sku: "Confidential",
      confidentialComputeProperties: {ccePolicy: $policy},
      osType: "Linux",
      restartPolicy: "Always",
      imageRegistryCredentials: [{server: $v.SERVER, identity: $v.CONSUMER_ID}],
      ipAddress: {type: "Public", dnsNameLabel: $v.PAGE_NAME, ports: [{protocol: "TCP", port: 3443}]},
      containers: [
        {
          name: "kafka-golang-consumer", # must stay first
          properties: {
            image: $v.CONSUMER_IMAGE,
            command: ["/consume", "-require=\($environment | keys | join(","))"],
            environmentVariables: ($environment | to_entries | map({name: .key, value: .value})),
            ports: [{protocol: "TCP", port: 3443}],
            resources: {requests: {cpu: 1, memoryInGB: 1}},
            securityContext: {privileged: false, allowPrivilegeEscalation: false, capabilities: {drop: ["ALL"]}}
          }
        },
        {
          # Third-party image, as root: it opens the attestation device. The platform gives it the hardware's certificates.
          name: "skr",
          properties: {
            image: $v.SKR_IMAGE,
            command: ["/skr.sh"],
            environmentVariables: [{name: "LogLevel", value: "info"}], # the default is debug
            resources: {requests: {cpu: 1, memoryInGB: 1}}
          }
        }
      ]
    }
  }]
}
