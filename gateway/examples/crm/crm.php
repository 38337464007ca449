<?php
// A small CRM for okgate in the modes http-out and https-out, in JSON and in XML (XML needs the package php-xml).
// It names callers and has a customer's card. To try it: php -S 127.0.0.1:8080 crm.php

const CUSTOMERS = ['89274513158' => 'Maria Lindqvist, Northwind Traders'];

function parameter(string $key, string $name): array
{
    return ['key' => $key, 'name' => $name, 'description' => '', 'type' => 'string', 'items' => []];
}

function declared(string $key, string $name, array $inputs, array $outputs, bool $defineuser): array
{
    return ['key' => $key, 'name' => $name, 'description' => '', 'allowcancel' => false, 'defineuser' => $defineuser,
        'connectiontype' => 'http', 'inputparams' => $inputs, 'outputparams' => $outputs];
}

// The answer to one message, or nothing.
function answer(string $name, array $fields): ?array
{
    $caller = parameter('callerid', "The caller's number");
    $customer = parameter('name', 'The customer');
    switch ($name) {
        case 'whoareyou':
            return ['iam', ['type' => 'ws-server', 'name' => 'crm.php', 'version' => '1', 'build' => '1']];
        case 'getavailablemethods':
            return ['availablemethods', ['methods' => [declared('callername', 'Name a caller', [$caller], [$customer], false)]]];
        case 'getavailableforms':
            $comment = parameter('comment', 'What was said');
            return ['availableforms', ['forms' => [declared('card', 'Customer', [$caller, $customer], [$comment], true)]]];
        case 'executemethod':
            $found = CUSTOMERS[$fields['inputparameters']['callerid'] ?? ''] ?? '';
            return ['methodresult', ['executionid' => $fields['executionid'], 'outputparameters' => ['name' => $found]]];
    }
    return null; // showform and closeform want no answer
}

function from_xml(SimpleXMLElement $element): mixed
{
    $value = [];
    switch ((string) $element['type']) {
        case 'object':
            foreach ($element->children() as $key => $child) {
                $value[$key === 'field' ? (string) $child['name'] : $key] = from_xml($child);
            }
            return $value;
        case 'array':
            foreach ($element->children() as $child) {
                $value[] = from_xml($child);
            }
            return $value;
        case 'null':
            return null;
        case 'boolean':
            return in_array(strtolower(trim((string) $element)), ['true', '1'], true);
        case 'number':
            return +trim((string) $element);
    }
    return $element['encoding'] == 'base64' ? base64_decode((string) $element) : (string) $element;
}

function to_xml(string $tag, mixed $value): string
{
    $inside = '';
    if (is_array($value)) {
        $type = array_is_list($value) ? 'array' : 'object';
        foreach ($value as $key => $item) {
            $inside .= to_xml($type === 'array' ? 'item' : $key, $item);
        }
        return "<$tag type=\"$type\">$inside</$tag>";
    }
    if (is_bool($value)) {
        return "<$tag type=\"boolean\">" . ($value ? 'true' : 'false') . "</$tag>";
    }
    return "<$tag>" . htmlspecialchars((string) $value, ENT_XML1) . "</$tag>"; // a number, too: the gateway knows its fields
}

function reply(string $format, array $message): string
{
    if ($format === 'json') {
        return json_encode($message, JSON_UNESCAPED_UNICODE | JSON_THROW_ON_ERROR);
    }
    [$name, $fields] = $message;
    $inside = '';
    foreach ($fields as $key => $value) {
        $inside .= to_xml($key, $value);
    }
    return "<message name=\"$name\">$inside</message>";
}

// Who may ask: "login:password" of the gateway's crm.credentials, if the environment names them.
$wanted = getenv('CRM_CREDENTIALS');
$given = ($_SERVER['PHP_AUTH_USER'] ?? '') . ':' . ($_SERVER['PHP_AUTH_PW'] ?? '');
if ($wanted && !hash_equals($wanted, $given)) {
    header('WWW-Authenticate: Basic realm="crm"');
    http_response_code(401);
    exit;
}
$format = ($_POST['format'] ?? 'json') === 'xml' ? 'xml' : 'json';
$text = base64_decode($_POST['data'] ?? '', true);
if (!$text) {
    http_response_code(400);
    exit('POST data (base64 of a message) and format (json or xml)');
}
if ($format === 'json') {
    [$name, $fields] = json_decode($text, true, 64, JSON_THROW_ON_ERROR);
} else {
    $document = new SimpleXMLElement($text);
    $name = (string) $document['name'];
    $document['type'] = 'object';
    $fields = from_xml($document);
}
error_log("$name " . json_encode($fields, JSON_UNESCAPED_UNICODE));
header("Content-Type: " . ($format === 'json' ? 'application/json' : 'text/xml') . '; charset=utf-8');
$message = answer($name, $fields);
if ($message) {
    $message[1] = ['qid' => $fields['qid']] + $message[1];
    echo reply($format, $message);
}
