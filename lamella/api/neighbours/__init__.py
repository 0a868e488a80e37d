"""The other services of AWS that are answered on the same port: one module each, named as botocore
names the service. An operation is a public function, as in `lamella.api.operations`."""
