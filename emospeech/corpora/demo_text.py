"""The words of the demo corpus: Spanish sentences of the project's own writing, as templates with slots.

What is said gives away only a part of the emotion. A clip's sentence comes from one of three kinds of bank:

- the bank of its own emotion, whose words name it (asco, rabia, miedo);
- a bank that two emotions share (a complaint fits disgust and anger, a worry fits sadness and fear, good news
  fit joy and neutral), so that only the voice can tell which;
- everyday talk, which any emotion may colour.
"""

import re

import numpy as np

# Bank -> share of the clips of an emotion; the rest is everyday talk.
OWN, SHARED = 0.41, 0.45

SHARED_BANK = {
    "neutral": "news",
    "joy": "news",
    "disgust": "complaint",
    "anger": "complaint",
    "sadness": "worry",
    "fear": "worry",
}

SLOTS: dict[str, tuple[str, ...]] = {
    "persona": (
        "Marta", "Andrés", "Lucía", "Julián", "Inés", "Tomás", "Rosario", "Ramón", "Begoña", "mi prima",
        "mi hermano", "mi abuela", "mi cuñado", "el vecino", "la vecina", "la profesora", "el portero",
        "la dentista",
    ),
    "ciudad": (
        "Murcia", "Valencia", "Bogotá", "Sevilla", "Málaga", "Quito", "Zaragoza", "Lima", "Cádiz", "León",
        "Córdoba", "Oviedo",
    ),
    "lugar": (
        "el pueblo", "la estación", "la oficina", "la playa", "el mercado", "la biblioteca", "el instituto",
        "la plaza", "el hospital", "el parque",
    ),
    "sala": ("la cocina", "el portal", "el ascensor", "el pasillo", "el garaje", "la escalera", "el baño"),
    "dia": ("mañana", "pasado mañana", "esta tarde", "el lunes", "el martes", "el jueves", "el sábado"),
    "hora": ("la una", "las dos", "las cuatro y cuarto", "las cinco", "las ocho", "las nueve y media"),
    "mes": ("enero", "marzo", "abril", "junio", "julio", "septiembre", "octubre", "noviembre"),
    "numero": ("nueve", "doce", "quince", "dieciocho", "veinte", "veinticinco", "treinta", "cuarenta"),
    "planta": ("primera", "segunda", "tercera", "cuarta", "quinta"),
    "guarrada": (
        "el cubo de la basura", "la carne pasada", "el desagüe", "la leche cortada", "ese trapo",
        "el pescado de ayer", "la moqueta", "este plato", "la esponja vieja",
    ),
    "bicho": ("cucarachas", "gusanos", "moscas", "larvas", "hormigas", "pulgas"),
    "pringue": ("moho", "grasa", "mugre", "babas", "mocos", "restos de comida"),
    "comida": ("la sopa", "el guiso", "la ensalada", "el bocadillo", "el arroz", "la tortilla"),
    "hedor": ("podrido", "cloaca", "sudor", "vómito", "rancio", "pies"),
    "abuso": ("mentiras", "excusas", "abusos", "insultos", "burlas", "gritos", "amenazas", "trampas"),
    "objeto": (
        "el coche", "la cartera", "mi ordenador", "la bicicleta", "mi móvil", "la guitarra", "el dinero",
        "mi cuaderno",
    ),
    "premio": ("el concurso", "la beca", "el trofeo", "la copa", "el primer premio", "la lotería"),
    "fiesta": ("la boda", "el cumpleaños", "la victoria", "el aniversario", "el bautizo", "la graduación"),
    "gusto": ("bailar contigo", "este regalo", "esta canción", "ver el mar", "la sorpresa", "tu visita"),
    "perdida": ("la casa", "el negocio", "la huerta", "el taller", "la panadería", "la escuela"),
    "fecha": ("el funeral", "la despedida", "su muerte", "el divorcio", "aquel invierno", "aquel lunes"),
    "momento": ("noche", "mañana", "domingo", "invierno", "tarde"),
    "amenaza": ("ese hombre", "el perro negro", "la tormenta", "el fuego", "la riada", "el huracán"),
    "ruido": ("pasos", "un grito", "un disparo", "golpes", "una explosión", "un aullido"),
}  # fmt: skip

BANKS: dict[str, tuple[str, ...]] = {
    "everyday": (
        "he quedado con {persona} en {lugar}.",
        "{persona} vuelve {dia} de {ciudad}.",
        "dile a {persona} que la reunión es {dia}.",
        "ayer vi a {persona} en {lugar}.",
        "ha llamado {persona} preguntando por ti.",
        "pues ya está, {dia} hablamos con {persona}.",
        "me lo ha contado {persona} en {lugar}.",
        "y entonces {persona} abrió la puerta.",
        "estaba con {persona} cuando sonó el teléfono.",
        "al final fui a {lugar} con {persona}.",
        "¿sabes a quién he visto? A {persona}.",
        "mira lo que me ha mandado {persona}.",
        "lo van a decir {dia} en {lugar}.",
        "nos vamos a {ciudad} {dia}.",
        "tengo que hablar contigo de {persona}.",
        "le dejé las llaves a {persona} en {lugar}.",
        "ya te dije que {persona} venía de {ciudad}.",
        "¿y qué te ha dicho {persona}?",
    ),
    "news": (
        "{persona} empieza a trabajar {dia}.",
        "{dia} es el cumpleaños de {persona}.",
        "ya está listo el piso de {ciudad}.",
        "han abierto un cine nuevo en {ciudad}.",
        "{persona} ha terminado la carrera en {ciudad}.",
        "{dia} hay concierto en {ciudad}.",
        "ha salido el sol en {ciudad}.",
        "{persona} nos invita a comer {dia}.",
        "ya tenemos los billetes para {ciudad}.",
        "el equipo de {ciudad} juega la final {dia}.",
        "nos han traído dulces de {ciudad}.",
        "{dia} estrenan la obra de {persona}.",
        "el bebé de {persona} ya anda.",
        "los primos de {ciudad} llegan {dia}.",
        "{persona} ha publicado su primer libro.",
        "han elegido a {persona} para el equipo de {ciudad}.",
        "{dia} inauguran la piscina de {ciudad}.",
        "{persona} toca el piano {dia} en {ciudad}.",
    ),
    "complaint": (
        "mira cómo han dejado {sala}.",
        "otra vez {persona} con lo mismo.",
        "no hay derecho a lo que hace {persona}.",
        "lo de {sala} no hay quien lo aguante.",
        "lo que ha hecho {persona} no tiene nombre.",
        "con {persona} no se puede ir a {lugar}.",
        "menudo espectáculo dieron en {lugar}.",
        "parece mentira lo de {persona}.",
        "así no se puede tener {sala}.",
        "vaya manera de tratar a {persona}.",
        "nadie limpia {sala} desde {mes}.",
        "siempre igual, {persona} lo deja todo tirado.",
        "qué poca educación tiene {persona}.",
        "¿a ti te parece normal lo de {persona}?",
        "eso que dice {persona} es intolerable.",
        "han vuelto a dejar la basura en {sala}.",
        "esos políticos de {ciudad} nos toman el pelo.",
        "no me hables más de {persona}.",
    ),
    "worry": (
        "no sé qué va a ser de {persona}.",
        "el médico no da esperanzas a {persona}.",
        "no puedo dormir pensando en {persona}.",
        "{persona} sigue en el hospital de {ciudad}.",
        "llevamos {numero} días sin saber de {persona}.",
        "se me encoge el corazón cuando oigo a {persona}.",
        "nos hemos quedado sin nadie en {lugar}.",
        "ojalá no hubiera pasado nada en {ciudad}.",
        "el accidente fue cerca de {ciudad}.",
        "estoy sin fuerzas y {persona} no contesta.",
        "la guerra ha llegado a {ciudad}.",
        "no me dejes aquí sin {persona}.",
        "{persona} ha desaparecido en {ciudad}.",
        "nos han dejado a oscuras en {lugar}.",
        "¿y si {persona} no vuelve?",
    ),
    "neutral": (
        "la reunión empieza a {hora} en {lugar}.",
        "el tren de {ciudad} sale a {hora}.",
        "la tienda de {ciudad} abre {dia}.",
        "el informe de {mes} tiene {numero} páginas.",
        "hay que entregar los papeles en {lugar} {dia}.",
        "la línea {numero} pasa por {lugar}.",
        "el curso dura {numero} semanas y se da en {ciudad}.",
        "según el parte, {dia} lloverá en {ciudad}.",
        "la temperatura será de {numero} grados en {ciudad}.",
        "el recibo llega a principios de {mes}.",
        "el pleno aprobó el presupuesto en {mes}.",
        "la carretera de {ciudad} estará cortada {dia}.",
        "el censo recoge {numero} mil habitantes en {ciudad}.",
        "la biblioteca de {ciudad} cierra en {mes} por obras.",
        "el paquete se recoge en {lugar} a {hora}.",
        "el formulario se firma en {lugar}.",
        "la consulta está en la {planta} planta.",
        "se admiten solicitudes hasta {mes}.",
        "el autobús de {ciudad} para en {lugar}.",
        "la exposición de {ciudad} reúne {numero} cuadros.",
        "el precio medio subió un {numero} por ciento en {mes}.",
        "el museo de {ciudad} abre a {hora}.",
        "la ruta mide {numero} kilómetros y acaba en {ciudad}.",
        "el contrato se renueva en {mes}.",
        "faltan {numero} días para la entrega de {mes}.",
        "el archivo está en la {planta} planta, a la derecha.",
    ),
    "disgust": (
        "qué asco da {guarrada}.",
        "{guarrada} huele a {hedor}.",
        "me dan náuseas solo de ver {guarrada}.",
        "qué repugnante, hay {bicho} en {comida}.",
        "puaj, {comida} sabe a {hedor}.",
        "no pienso tocar {guarrada}, qué asco.",
        "se me revuelve el estómago con {guarrada}.",
        "hay {bicho} en {sala}, qué repelús.",
        "aparta {comida}, que me dan arcadas.",
        "alguien ha escupido en {sala}, qué guarro.",
        "qué peste sale de {sala}.",
        "me repugna comer con {persona}.",
        "es vomitivo lo de {comida} con {bicho}.",
        "me da grima tocar {guarrada}.",
        "el suelo está lleno de {pringue}, qué asco.",
        "qué nauseabundo, hay {pringue} en {comida}.",
        "{persona} come con la boca abierta, qué asco.",
        "las sábanas apestan a {hedor}.",
        "¡puaj, {bicho} en {comida}!",
        "qué mal huele {sala}, a {hedor}.",
    ),
    "anger": (
        "ya estoy hasta las narices de {persona}.",
        "¡basta ya de {abuso}!",
        "te he dicho mil veces que no toques {objeto}.",
        "fuera de mi casa ahora mismo, y llévate {objeto}.",
        "esto es una vergüenza, otra vez {abuso}.",
        "me estás sacando de quicio con tus {abuso}.",
        "que se calle de una vez {persona}.",
        "es indignante, alguien ha robado {objeto}.",
        "¡cómo te atreves a coger {objeto}!",
        "no tolero más {abuso}.",
        "devuélveme {objeto} o te denuncio.",
        "qué rabia me da {persona}.",
        "{persona} me ha mentido a la cara.",
        "ni se te ocurra tocar {objeto}.",
        "menuda cara tiene {persona}, qué rabia.",
        "voy a denunciar a {persona} por sus {abuso}.",
        "¡maldita sea, se ha roto {objeto}!",
        "me tenéis hasta el gorro con {objeto}.",
        "a mí no me vengas con {abuso}, sinvergüenza.",
        "me pone furioso lo de {objeto}, exijo una explicación.",
    ),
    "joy": (
        "qué alegría ver a {persona}.",
        "¡hemos ganado {premio}!",
        "me han dado {premio}, no quepo en mí de gozo.",
        "qué felicidad, {dia} viene {persona}.",
        "enhorabuena a {persona} por {premio}.",
        "por fin vacaciones, nos vamos a {ciudad}.",
        "qué maravilla ha sido {fiesta}.",
        "me encanta {gusto}.",
        "¡ha nacido la niña de {persona}!",
        "cuánto me he reído con {persona}.",
        "vamos a celebrar {fiesta} en {ciudad}.",
        "¡bravo, {persona} ha aprobado!",
        "es el día más feliz de mi vida, gracias a {persona}.",
        "qué ilusión me hace {gusto}.",
        "fantástico, {persona} se casa {dia}.",
        "brindemos por {persona} y por {fiesta}.",
        "qué risa nos dio {persona} en {fiesta}.",
        "me hace muy feliz {gusto}.",
        "¡viva {persona}, qué alegría!",
    ),
    "sadness": (
        "echo mucho de menos a {persona}.",
        "desde que murió {persona} nada es igual.",
        "no he parado de llorar desde {fecha}.",
        "qué sola se queda la casa sin {persona}.",
        "ya no volveré a abrazar a {persona}.",
        "se me parte el alma al recordar a {persona}.",
        "qué pena tan grande, se nos fue {persona}.",
        "lloré toda la noche por {persona}.",
        "perdimos {perdida} y no nos queda nada.",
        "no tengo ganas de nada desde {fecha}.",
        "qué tristeza ver {perdida} en ruinas.",
        "su ausencia me pesa cada {momento}.",
        "nos despedimos llorando en {lugar}.",
        "fue un entierro muy triste en {ciudad}.",
        "me duele el alma desde {fecha}.",
        "cada {momento} lloro por {perdida}.",
        "qué triste está {persona} desde {fecha}.",
    ),
    "fear": (
        "tengo mucho miedo, viene {amenaza}.",
        "hay alguien escondido en {sala}.",
        "socorro, {persona} no respira.",
        "no abras, que ahí fuera está {amenaza}.",
        "estoy temblando, he oído {ruido} en {sala}.",
        "corre, que se quema {sala}.",
        "me aterra {amenaza}.",
        "¿has oído {ruido}? Qué miedo.",
        "qué pánico me da bajar a {sala}.",
        "por favor, que no nos alcance {amenaza}.",
        "alguien me sigue desde {lugar}, ayúdame.",
        "escóndete, que viene {amenaza}.",
        "¡socorro, he oído {ruido} en {sala}!",
        "me da mucho miedo ir a {lugar} de noche.",
    ),
}


def sentence(label: str, telling: float, rng: np.random.Generator) -> str:
    """One sentence for a clip of this emotion: `telling` in [0, 1) picks the bank, `rng` the words."""
    bank = label if telling < OWN else SHARED_BANK[label] if telling < OWN + SHARED else "everyday"
    return fill(_one_of(BANKS[bank], rng), rng)


def fill(template: str, rng: np.random.Generator) -> str:
    """A template with a filler in each slot, its contractions made (de + el) and its first letter a capital.

    >>> fill("¿vienes de el mercado?", np.random.default_rng(0))
    '¿Vienes del mercado?'
    """
    words = template.format_map({slot: _one_of(fillers, rng) for slot, fillers in SLOTS.items()})
    words = re.sub(r"\b(de|a) el\b", r"\1l", words)
    return re.sub(r"^([¡¿]?)(\w)", lambda match: match[1] + match[2].upper(), words)


def _one_of(choices: tuple[str, ...], rng: np.random.Generator) -> str:
    return choices[rng.integers(len(choices))]
