// SPDX-License-Identifier: Apache-2.0

package credentials

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// The Secret in which ACK keeps the token that it grants to the backup addon.
const (
	AddonTokenSecretNamespace = "kube-system"
	AddonTokenSecretName      = "addon.aliyuncsmanagedbackuprestorerole.token" //nolint:gosec // A name, not a secret.
	AddonTokenSecretKey       = "addon.token.config"                           //nolint:gosec // A name, not a secret.
)

// defaultAddonTokenFile is where ACK's components mount that Secret.
const defaultAddonTokenFile = "/var/addon/token-config" //nolint:gosec // The name of a file.

// parseAddonToken decodes the JSON of an ACK addon token: an access key and a
// security token, encrypted with the key that stands beside them ("keyring"), so
// that they are not found by a search for key material. Source is not set.
func parseAddonToken(content []byte) (Credentials, error) {
	var token struct {
		AccessKeyID     string `json:"access.key.id"`
		AccessKeySecret string `json:"access.key.secret"`
		SecurityToken   string `json:"security.token"`
		Expiration      string `json:"expiration"`
		Keyring         string `json:"keyring"`
	}
	if err := json.Unmarshal(content, &token); err != nil {
		// The JSON error may quote a part of a value.
		return Credentials{}, errors.New("the file is not the JSON of an ACK addon token")
	}
	if token.Keyring == "" || token.AccessKeyID == "" || token.AccessKeySecret == "" || token.SecurityToken == "" {
		return Credentials{}, errors.New("the JSON is not an ACK addon token: it needs access.key.id, access.key.secret, security.token and keyring")
	}
	block, err := aes.NewCipher([]byte(token.Keyring))
	if err != nil {
		return Credentials{}, fmt.Errorf("the keyring of the ACK addon token is not an AES key: %w", err)
	}

	var key Credentials
	for _, field := range []struct {
		name, encrypted string
		plain           *string
	}{
		{"access.key.id", token.AccessKeyID, &key.AccessKeyID},
		{"access.key.secret", token.AccessKeySecret, &key.AccessKeySecret},
		{"security.token", token.SecurityToken, &key.SecurityToken},
	} {
		if *field.plain, err = decrypt(block, field.encrypted); err != nil {
			return Credentials{}, fmt.Errorf("decrypt %s of the ACK addon token: %w", field.name, err)
		}
	}
	if key.Expiration, err = time.Parse(time.RFC3339, token.Expiration); err != nil {
		return Credentials{}, errors.New("the expiration of the ACK addon token is not an RFC 3339 time")
	}
	return key, checkKeyPair(key)
}

// decrypt returns the text of base64(IV ‖ AES-CBC(text with PKCS#5 padding)).
func decrypt(block cipher.Block, encoded string) (string, error) {
	data, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return "", errors.New("it is not base64")
	}
	size := block.BlockSize()
	if len(data) < 2*size || len(data)%size != 0 {
		return "", errors.New("its length is not that of an initialisation vector and whole blocks")
	}
	vector, text := data[:size], data[size:]
	cipher.NewCBCDecrypter(block, vector).CryptBlocks(text, text)
	padding := int(text[len(text)-1])
	if padding == 0 || padding > size {
		return "", errors.New("the keyring does not fit it")
	}
	for _, octet := range text[len(text)-padding:] {
		if int(octet) != padding {
			return "", errors.New("the keyring does not fit it")
		}
	}
	return string(text[:len(text)-padding]), nil
}
