# The producer's container group: an ordinary one, with the public key, and an identity that cannot ask for the key. $v has
# the values. The signing key of the strict variant is a parameter, because Azure keeps templates, but no secure values.
def environment: to_entries | map(select(.value != null) | {name: .key, value: .value});
{
  "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
  contentVersion: "1.0.0.0",
  parameters: (if $v.TRUSTED_SENDERS then {signingKey: {type: "secureString"}} else {} end),
  resources: [{
    type: "Microsoft.ContainerInstance/containerGroups",
    apiVersion: "2023-05-01",
    name: "kafka-producer",
    location: $v.LOCATION,
    identity: {type: "UserAssigned", userAssignedIdentities: {($v.PRODUCER_ID): {}}},
    properties: ({
      sku: "Standard",
      osType: "Linux",
      restartPolicy: "Always",
      imageRegistryCredentials: [{server: $v.SERVER, identity: $v.PRODUCER_ID}],
      containers: [{
        name: "kafka-producer",
        properties: ({
          image: $v.PRODUCER_IMAGE,
          command: ["/produce"],
          environmentVariables: ({
            BROKERS: $v.BROKERS,
            KAFKA_PRESET: $v.KAFKA_PRESET,
            KAFKA_AZURE_IDENTITY: $v.KAFKA_AZURE_IDENTITY,
            KAFKA_SECURITY_PROTOCOL: $v.KAFKA_SECURITY_PROTOCOL,
            TOPIC: $v.TOPIC,
            MSG: "Azure Confidential Computing",
            PUBKEY: $publicKey
          } + if $v.TRUSTED_SENDERS then {FORMAT: "envelope", SIGNING_KEY_FILE: "/etc/signing/signing.pem"} else {} end | environment),
          resources: {requests: {cpu: 0.5, memoryInGB: 0.5}}
        } + if $v.TRUSTED_SENDERS then {volumeMounts: [{name: "signing-key", mountPath: "/etc/signing", readOnly: true}]} else {} end)
      }]
    } + if $v.TRUSTED_SENDERS then {volumes: [{name: "signing-key", secret: {"signing.pem": "[parameters('signingKey')]"}}]} else {} end)
  }]
}
