{{- /* The labels of an object, from its name and, if it has one, its component. */}}
{{- define "labels" -}}
app.kubernetes.io/name: {{ index . 0 }}
{{- if gt (len .) 1 }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}
app.kubernetes.io/part-of: kafka-e2ee
app.kubernetes.io/managed-by: Helm
{{- end }}

{{- /* The security context of our own containers: pod security "restricted". Policy generators fail on the last two
fields, which a policy would not contain anyway. */}}
{{- define "restricted" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop:
    - ALL
{{- if not .Values.policyInput }}
# No runAsUser: the image sets one, and a platform can choose another.
runAsNonRoot: true
seccompProfile:
  type: RuntimeDefault
{{- end }}
{{- end }}

{{- /* The programs set Go's memory limit to 90 % of the limit. */}}
{{- define "resources" -}}
requests:
  memory: {{ . }}
  cpu: 50m
limits:
  memory: 1Gi
  cpu: 200m
{{- end }}

{{- define "liveness" -}}
httpGet:
  path: /healthz
  port: metrics
periodSeconds: 10
timeoutSeconds: 5
failureThreshold: 6
{{- end }}

{{- /* Kafka's address and how a program proves itself to it. */}}
{{- define "kafka.env" -}}
{{- if eq .Values.kafka.kind "event-hubs" -}}
- {name: BROKERS, value: {{ required "set kafka.eventHubs: NAMESPACE.servicebus.windows.net:9093" .Values.kafka.eventHubs | quote }}}
- {name: KAFKA_PRESET, value: event-hubs}
{{- else if eq .Values.kafka.kind "strimzi-mtls" -}}
- {name: KAFKA_SECURITY_PROTOCOL, value: SSL}
- {name: KAFKA_CA_FILE, value: /etc/kafka/cluster/ca.crt}
- {name: KAFKA_CLIENT_CERT_FILE, value: /etc/kafka/user/user.crt}
- {name: KAFKA_CLIENT_KEY_FILE, value: /etc/kafka/user/user.key}
{{- end }}
{{- end }}

{{- define "kafka.mounts" -}}
- {name: kafka-cluster, mountPath: /etc/kafka/cluster, readOnly: true}
- {name: kafka-user, mountPath: /etc/kafka/user, readOnly: true}
{{- end }}

{{- /* Strimzi makes these Secrets and renews them; the user's has the program's name. */}}
{{- define "kafka.volumes" -}}
- name: kafka-cluster
  secret:
    secretName: my-cluster-cluster-ca-cert
    items: [{key: ca.crt, path: ca.crt}]
- name: kafka-user
  secret:
    secretName: {{ . }}
    items: [{key: user.crt, path: user.crt}, {key: user.key, path: user.key}]
{{- end }}

{{- define "hosts" -}}
{{ required "set page.host: the host name or address of the page" .Values.page.host }},localhost,127.0.0.1
{{- end }}
